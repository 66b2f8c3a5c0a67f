"""The application that gunicorn serves."""

import gc

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

# Loads the campaigns before the first request, then keeps them out of every later collection.
from allocation import urls  # noqa: E402, F401

gc.collect()
gc.freeze()
