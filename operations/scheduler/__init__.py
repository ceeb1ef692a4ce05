"""The scheduler: reconciles every minute and maintains every day, and says when it could not."""
