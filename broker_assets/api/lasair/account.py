"""`auth-token`: a token in exchange for a user name and password."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from broker_assets.access import accounts, tokens
from broker_assets.access.accounts import WrongPassword
from broker_assets.api.authentication import accounts_of
from broker_assets.api.documents import Document
from broker_assets.api.parameters import BadParametersError, Parameters, Text, checked

router = APIRouter(prefix="/api", tags=["Lasair"])

NAME = "auth-token"
"""Name of the tokens that programs obtain in this way."""
MOST = 10
"""Most tokens of this name that an account keeps."""


class Credentials(BaseModel):
    """Parameters of `auth-token`."""

    username: Text = Field(max_length=150)
    password: Text = Field(max_length=1024)


@router.post("/auth-token/", response_class=Document)
@router.post("/token-auth/", response_class=Document)
def auth_token(request: Request, given: Parameters) -> Response:
    """Issue a token that may read and write; of those issued in this way, the ten most recently used are kept."""
    asked = checked(Credentials, given)
    address = request.client.host if request.client is not None else ""
    with accounts_of(request) as connection:
        try:
            user = accounts.log_in(connection, asked.username, asked.password, address)
        except WrongPassword:
            raise BadParametersError({"non_field_errors": ["Unable to log in with provided credentials."]}) from None
        return Document({"token": tokens.issue(connection, user, NAME, "write", most=MOST)})
