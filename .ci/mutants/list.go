package main

import "slices"

// list is the protections whose loss must be noticed. Nothing seems to be wrong without one of them, until somebody
// attacks, a network fails or a process stops: so each has a test, and this list proves that the test is one.
var list = slices.Concat(
	contractMutants,
	clientMutants,
	commandLineMutants,
	conformanceMutants,
	admissionMutants,
	pipelineMutants,
	databaseMutants,
	storeMutants,
	turnMutants,
	resourceMutants,
	serverMutants,
	streamMutants,
	programMutants,
)
