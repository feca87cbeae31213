"""The wire of everything that speaks OpenAI's dialect over HTTP. Knows nothing about which backend it is."""
