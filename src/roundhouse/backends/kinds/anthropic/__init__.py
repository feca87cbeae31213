"""Anthropic's Messages API: what it is asked, what it answers, and what each of its models takes."""
