"""A plain router of FastAPI's."""

from fastapi import APIRouter

NOT_A_ROUTER = 1
router = APIRouter()


@router.get("/things")
def things() -> list[int]:
    return [1]


@router.post("/things")
def make_thing(number: int) -> int:
    return number
