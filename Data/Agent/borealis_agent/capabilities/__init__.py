"""What outgrew its role file, one package each. Knows nothing of roles; roles import these."""
