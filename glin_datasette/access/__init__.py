"""Who may reach a server of the archive: the names it answers to, and tokens for scripts.

What the command line and the plugin both need to know; neither may import the other.
"""
