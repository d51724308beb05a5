package mcptools

// AtATime is the most servers of a turn that are asked at the same time.
const AtATime = atATime
