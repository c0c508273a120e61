"""The schema, assembled from what each file of this package adds to it."""

from __future__ import annotations

from datetime import timedelta

import strawberry
from graphql import GraphQLError, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from hub.transports.graphql.access import AccessMutations, AccessQueries
from hub.transports.graphql.batch import BatchMutations
from hub.transports.graphql.columns import Executor, Reticent
from hub.transports.graphql.dead_letters import DeadLetterMutations, DeadLetterQueries
from hub.transports.graphql.documents import Documents
from hub.transports.graphql.errors import make_public
from hub.transports.graphql.health import HealthQueries
from hub.transports.graphql.inbox import InboxMutations, InboxSubscriptions
from hub.transports.graphql.lifecycle import Lifecycle
from hub.transports.graphql.marks import MarkMutations
from hub.transports.graphql.notifications import (
    NotificationMutations,
    NotificationQueries,
    NotificationSubscriptions,
)
from hub.transports.graphql.scalars import SCALARS
from hub.transports.graphql.statistics import StatisticsQueries
from hub.transports.graphql.users import UserMutations, UserQueries


@strawberry.type(description="What can be read. A look-up by an unknown or foreign id gives null.")
class Query(NotificationQueries, UserQueries, DeadLetterQueries, StatisticsQueries, AccessQueries, HealthQueries):
    """All queries."""


@strawberry.type(
    description="What can be changed. A payload is null where its mutation failed; what others of the same document "
    "did stays done."
)
class Mutation(
    NotificationMutations,
    BatchMutations,
    MarkMutations,
    InboxMutations,
    DeadLetterMutations,
    UserMutations,
    AccessMutations,
):
    """All mutations."""


@strawberry.type(description="What can be followed, over graphql-transport-ws or as server-sent events.")
class Subscription(InboxSubscriptions, NotificationSubscriptions):
    """All subscriptions."""


class Schema(strawberry.Schema):
    """Strawberry's, with errors as the catalogue has them."""

    @property
    def definition(self) -> GraphQLSchema:
        """graphql-core's, for which Strawberry has no public name."""
        return self._schema

    def process_errors(
        self,
        errors: list[GraphQLError],
        execution_context: ExecutionContext | None = None,
    ) -> None:
        """Called once for every list of errors, before it is sent. Refusals are not logged; defects are."""
        del execution_context
        make_public(errors)


def build_schema(documents: Documents, request_timeout: timedelta) -> Schema:
    """The schema with everything that surrounds an operation."""
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        extensions=[lambda: Lifecycle(documents, request_timeout)],
        execution_context_class=Executor if documents.limits.introspection else Reticent,
        config=StrawberryConfig(scalar_map=SCALARS),
    )
