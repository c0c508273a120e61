"""What pipeline and live share of RabbitMQ: a connection that comes back."""
