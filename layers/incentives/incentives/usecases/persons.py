"""Find out which person signed a call, for what two different people have to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incentives.domain import persons

if TYPE_CHECKING:
    from incentives.domain.persons import Identity, Person
    from incentives.usecases.ports import RolePaths


def person_of(identity: Identity, role_paths: RolePaths) -> Person | None:
    """Who has signed; None: nobody can tell, and then nobody can be told from anybody else.

    Raises:
        IdentityUnavailable: IAM could not be asked now.
    """
    role = persons.role_to_look_up(identity)
    return persons.person_of(identity, role_paths.arn_of(role) if role else None)
