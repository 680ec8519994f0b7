"""The floor for pages: one Flask view that renders one Jinja template of a like size."""

from flask import Flask, render_template
from jinja2 import DictLoader

app = Flask(__name__)
PAGE = """<!doctype html><title>{{ title }}</title><h1>{{ title }}</h1>
{% for word in words %}<p class="govuk-body">{{ word }} {{ loop.index }}</p>{% endfor %}"""
app.jinja_loader = DictLoader({"page.html": PAGE})


@app.get("/")
def page() -> str:
    """A page of some 60 lines."""
    return render_template("page.html", title="Bare", words=["guidance"] * 60)
