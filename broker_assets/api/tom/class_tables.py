"""What a classifier says about the objects of one true class: the data frames that the original prepared as files."""

from __future__ import annotations

import pickle
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from broker_assets.access.permissions import ELASTICC_ADMIN
from broker_assets.api.connections import Connections
from broker_assets.api.tom.answers import Json
from broker_assets.api.tom.entrance import admitted, needs
from broker_assets.tom.class_tables import NoClassTable, class_table


def of_true_class(request: Request, form: str, what: str, classifier: int, classid: int) -> Response:
    """A data frame, pickled if the form is `pickle`, else as JSON in the layout that pandas calls tight."""
    user = admitted(request, "login")
    # They show the truth of objects.
    needs(request, user, ELASTICC_ADMIN)
    connections: Connections = request.app.state.connections
    try:
        if max(abs(classifier), abs(classid)) >= 2**31:
            raise NoClassTable(f"Can't find data file for classifier {classifier}, class {classid}")
        with connections.use() as connection:
            frame = class_table(connection, what, classifier, classid)
    except NoClassTable as error:
        answer = Json({"error": str(error)})
        answer.status_code = 400
        return answer
    if form == "pickle":
        return Response(pickle.dumps(frame, protocol=4), media_type="application/octet-stream")
    tight: dict[str, Any] = frame.to_dict(orient="tight")
    return Json(tight)
