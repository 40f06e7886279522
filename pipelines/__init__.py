"""When it runs, with what, and whom to tell. The only floor that knows the environment."""
