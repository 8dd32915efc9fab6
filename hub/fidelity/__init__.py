"""What a reply becomes on each platform, at true limits, before anybody is answered with it."""
