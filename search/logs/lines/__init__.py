"""What bytes and lines of a log say, in the form that lines usually have: decoded, in English words, in one notation."""
