"""Assets of the alert stream: the streams, and what each night contributed."""
