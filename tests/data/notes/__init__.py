"""The same small service of notes in Falcon and in Bottle."""
