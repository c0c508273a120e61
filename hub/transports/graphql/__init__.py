"""The GraphQL protocol: Strawberry and graphql-core are imported here and nowhere else."""
