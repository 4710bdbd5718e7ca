"""The download of a script: a JavaScript file or an archive, as it was uploaded."""

import json

from exporter.simulator.http import HTTPError, Request, Response
from exporter.simulator.runs import RunScript, ScriptFile


def make_script_response(request: Request, file: ScriptFile | None, plan: RunScript) -> Response:
    """406 unless the Accept header allows its type. Without an upload, a script is made from the plan."""
    content = _write_script(plan) if file is None else file.content
    content_type = "application/x-tar" if file is not None and file.is_archive else "text/javascript"
    accept = request.headers.get("accept") or "*/*"
    accepted = {part.partition(";")[0].strip() for part in accept.split(",")}
    # The official client sends JSON, the type of errors, and yet gets scripts from the live service.
    if not accepted & {"*/*", f"{content_type.partition('/')[0]}/*", content_type, "application/json"}:
        raise HTTPError(406, f"The script is {content_type}")
    return Response(raw=content, content_type=content_type)


def _write_script(plan: RunScript) -> bytes:
    options = json.dumps({"vus": plan.vus, "duration": f"{plan.planned_seconds}s"})
    return f"export const options = {options};\n\nexport default function () {{}}\n".encode()
