"""Sizes, lifetimes and clock skew that both sides agree on. Bytes and seconds throughout."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_MESSAGE_BYTES: Final = 16 * MIB
"""Largest Socket.IO message either side accepts."""
MAX_REST_BODY_BYTES: Final = 4 * MIB
"""Largest REST request body, but for the two below."""
MAX_REST_UPLOAD_BYTES: Final = MAX_MESSAGE_BYTES
"""Largest body of a quick run (it may carry files) and of a script result."""
MAX_ENROL_BODY_BYTES: Final = 16 * KIB
MAX_JSON_DEPTH: Final = 32

MAX_ENVELOPE_PAYLOAD_BYTES: Final = 256 * KIB
MAX_SIGNATURES: Final = 4
MAX_SCRIPT_BYTES: Final = 1 * MIB
MAX_FILES: Final = 64
MAX_FILES_BYTES: Final = 8 * MIB
MAX_ENVIRONMENT_ENTRIES: Final = 256
MAX_VARIABLES: Final = 256
MAX_RESULT_STREAM_BYTES: Final = 1 * MIB
"""Bytes of one output stream that travel in a result; the rest stays on the device."""
MAX_OUTPUT_CHUNK_BYTES: Final = 32 * KIB
MAX_OUTPUT_ON_DISK_BYTES: Final = 64 * MIB
"""Bytes of one output stream that the device keeps; a run that prints more is told so and goes on unrecorded."""

CLOCK_SKEW_SECONDS: Final = 120
ACCESS_TOKEN_SECONDS: Final = 900
REFRESH_TOKEN_SECONDS: Final = 90 * 24 * 3600
REFRESH_EARLY_SECONDS: Final = 60
DEFAULT_TIMEOUT_SECONDS: Final = 3600
MAX_TIMEOUT_SECONDS: Final = 24 * 3600
DEFAULT_JOB_LIFETIME_SECONDS: Final = 24 * 3600
MAX_JOB_LIFETIME_SECONDS: Final = 30 * 24 * 3600
CANCEL_LIFETIME_SECONDS: Final = 24 * 3600

HEARTBEAT_SECONDS: Final = 60
FIRST_HEARTBEAT_SECONDS: Final = 15
SCRIPT_POLL_SECONDS: Final = 30
ONLINE_WINDOW_SECONDS: Final = 300
ENROL_POLL_FIRST_MS: Final = 3000
ENROL_POLL_MS: Final = 5000
MIN_CLIENT_NONCE_BYTES: Final = 16
NONCE_BYTES: Final = 32
HOSTNAME_MAX: Final = 253
