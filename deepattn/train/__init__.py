"""Training: loss, schedules, optimizer, statistics, the loop, and fine-tuning."""
