"""The site's own pages: home, help, health."""
