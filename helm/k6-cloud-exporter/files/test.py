"""Run by `helm test`: waits until the exporter is ready, then checks that it exposes its own metrics.

Arguments: URL of the exporter, and the path of the metrics.
"""

import ssl
import sys
import time
import urllib.error
import urllib.request

# The certificate is for the name that Prometheus uses, which is not known here, so it is not verified.
UNVERIFIED = ssl.create_default_context()
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE


def fetch(url: str, start: bytes = b"") -> tuple[int, str]:
    """Status, and the first line that starts so; for an error, its text.

    Lines are read one by one: the metrics of thousands of tests are larger than the memory limit of this pod.
    """
    try:
        with urllib.request.urlopen(url, timeout=5, context=UNVERIFIED) as response:  # noqa: S310 (http or https)
            return response.status, next((line for line in response if line.startswith(start)), b"").decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def main(address: str, telemetry_path: str) -> None:
    for _ in range(30):
        status, text = fetch(address + "/-/ready")
        if status == 200:
            break
        time.sleep(2)
    else:
        sys.exit(f"{address}/-/ready returned {status}: {text}")
    status, text = fetch(address + telemetry_path, b"k6_cloud_exporter_build_info")
    if status in {401, 403}:
        print("Ready. The metrics require a password or a client certificate, which this test does not have.")
    elif status != 200 or not text:
        sys.exit(f"{address}{telemetry_path} returned {status} without the metrics of the exporter")
    else:
        print("Ready, and metrics are exposed.")


main(*sys.argv[1:])
