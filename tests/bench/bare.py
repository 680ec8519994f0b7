"""The floor for pages: Flask and Jinja alone, with a page that is built and as large as ours.

A layout, links, a form and sixty paragraphs: some 6 KB. No session, no sign-in, no database.
"""

from flask import Flask, render_template
from jinja2 import DictLoader

app = Flask(__name__)
LAYOUT = """<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>{% block title %}{% endblock %}</title></head>
  <body>
    <ul>
      {% for name in ("Tasks", "Team", "Help", "Sign out") %}
      <li><a class="govuk-link" href="{{ url_for("page") }}">{{ name }}</a></li>
      {% endfor %}
    </ul>
    <main>{% block main %}{% endblock %}</main>
    {% include "footer.html" %}
  </body>
</html>"""
MACROS = """{% macro field(name, label) %}
<label for="{{ name }}">{{ label }}</label><input name="{{ name }}" id="{{ name }}">
{% endmacro %}"""
PAGE = """{% extends "layout.html" %}
{% from "macros.html" import field %}
{% block title %}{{ title }}{% endblock %}
{% block main %}
<h1>{{ title }}</h1>
{% for word in words %}<p class="govuk-body">{{ word }} {{ loop.index }}</p>{% endfor %}
<form method="post">{{ field("name", "Your name") }}<button>Continue</button></form>
{% endblock %}"""
app.jinja_loader = DictLoader(
    {
        "layout.html": LAYOUT,
        "macros.html": MACROS,
        "footer.html": "<footer>{{ title }}</footer>",
        "page.html": PAGE,
    }
)


@app.get("/")
def page() -> str:
    """A page like any other."""
    words = ["What the City asks of you, and what it does not ask of you,"] * 60
    return render_template("page.html", title="Bare", words=words)
