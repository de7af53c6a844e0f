"""What differs between systems, behind one API per concern."""
