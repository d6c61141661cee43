"""Is the package index to be trusted, as far as this build knows? Run before pip, whose own message misleads.

Where a proxy with a certificate authority of its own stands before the index, pip tries each package again and
again, and ends with "ResolutionImpossible" or "No matching distribution". This tells what to do. Whatever else is
wrong with the index, pip says itself.
"""

import http.client
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_S = 20

CURE = """
The certificate of {url} is not trusted: {reason}.
A proxy with a certificate authority of its own stands between this build and the package index.
Put that authority's certificate (PEM) into docker/ca/<name>.crt and build again; see docs/operations-docker.md.
Where this machine trusts it already:
    cp /etc/ssl/certs/ca-certificates.crt docker/ca/machine.crt
"""


def untrusted(url: str, bundle: str) -> str | None:
    """Return why the certificate of an index is not trusted, None where it is, or where it cannot be asked."""
    try:
        urllib.request.urlopen(
            without_password(url), timeout=TIMEOUT_S, context=ssl.create_default_context(cafile=bundle)
        ).close()
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            return str(error.reason.verify_message)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return None


def without_password(url: str) -> str:
    """Return a URL without the user and password that it may name."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


if __name__ == "__main__":
    index = os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple/"
    problem = untrusted(index, sys.argv[1])
    if problem is not None:
        sys.exit(CURE.format(url=without_password(index), reason=problem))
