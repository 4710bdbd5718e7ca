"""What `helm test` runs: waits until the exporter is ready, then looks for what only it tells.

Arguments: where it is, and the path of its metrics.
"""

import ssl
import sys
import time
import urllib.error
import urllib.request

# The certificate is for the name by which Prometheus asks; here it is enough to be answered.
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


def asked(url: str) -> tuple[int, str]:
    """The status and the text of the answer, or 0 and why there is none."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=TRUSTING) as answer:  # noqa: S310 (http or https)
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def main(address: str, telemetry_path: str) -> None:
    for _ in range(30):
        status, text = asked(address + "/-/ready")
        if status == 200:
            break
        time.sleep(2)
    else:
        sys.exit(f"{address}/-/ready answers {status}: {text}")
    status, text = asked(address + telemetry_path)
    if status in {401, 403}:
        print("Ready. The metrics ask for a password or a certificate, which this test has not.")
    elif status != 200 or "k6_cloud_exporter_build_info" not in text:
        sys.exit(f"{address}{telemetry_path} answers {status}, and not with the metrics of the exporter")
    else:
        print("Ready, and tells its metrics.")


main(*sys.argv[1:])
