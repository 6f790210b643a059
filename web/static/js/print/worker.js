// The address of the fingerprint worker that web/assets.py names.

import "../fingerprint/worker.js";
