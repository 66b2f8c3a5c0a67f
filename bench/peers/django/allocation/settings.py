"""What Django needs to serve two views: no database, no middleware, no templates."""

import os
from pathlib import Path

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "allocation.urls"
WSGI_APPLICATION = "allocation.wsgi.application"
INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
USE_I18N = False
USE_TZ = True

# The folder with campaigns.json, devices.json, requests.json and keys.json.
WORKLOAD = Path(os.environ["WORKLOAD"])
