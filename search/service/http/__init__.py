"""The API over HTTP: `app` puts it together, `guard` says who asks, `problems` what went wrong; the rest are its routes."""
