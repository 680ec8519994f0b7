"""Documents: HTML to PDF/A, and the organization's seal."""
