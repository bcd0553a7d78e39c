"""Who is who: users and their roles."""
