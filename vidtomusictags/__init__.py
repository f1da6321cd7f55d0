"""The contract, the client and the command of VidToMusicTags."""
