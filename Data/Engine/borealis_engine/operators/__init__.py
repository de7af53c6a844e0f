"""People: operators, their roles and sites, sessions, second factors, tokens.

Owns users, user_site_assignments, operator_sessions, personal_tokens and setup_links.
"""
