"""People: operators, their roles and sites, sessions, second factors, tokens.

Owns users, user_site_assignments, operator_sessions, personal_tokens, recovery_codes, setup_links and
setup_state. May be called by every room above; ``service.OperatorService`` is the way in.
"""
