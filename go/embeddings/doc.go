// Package embeddings turns texts into vectors whose cosine tells how near they are in meaning, and keeps and searches
// them in a SQLite file: inside the process, with no server and no network.
//
//	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
//	...
//	defer service.Close()
//	result, err := service.Embed(ctx, "how do I stop the pump")
//
// A call may say which prompt is put before its texts, how many dimensions it wants, and what becomes of long texts:
// [WithPromptName], [WithPrompt], [WithDimensions], [WithTruncate], [WithProgress]. EmbedSeq embeds sequences that do not
// fit memory.
//
// A [ManagedEmbeddingService] is a model: a directory as sentence-transformers publishes it. An [EmbeddingStore] is a
// database file. [Ingest] leads from one to the other.
//
// A store finds rows near to a vector, with words, or both ([SearchOptions]), lists, counts and deletes them; a [Filter] says
// which rows are meant, by their source, times and [Metadata]. What any engine can do is the interface [Store].
//
// # Build
//
// The work is done by libqntx_embed, which is linked with the build tag rustembeddings (and cgo). Without the tag the
// same program builds and runs, and every call that needs the library gives [ErrNotCompiled].
//
// # Two forms of each call
//
// The short names (Init, Embed, Put, Search, ...) take a context.Context first, as all of the store's do except Save,
// SaveBatch and SemanticSearch. These and Initialize, GenerateEmbedding, ... are the same calls with context.Background().
//
// A context that is done ends the embedding of texts at once: those that wait are dropped, and what runs is ended at the
// next operation of the model. The error matches both [ErrCancelled] and the context's own error. For the store it is
// looked at before the call; a write that has begun is finished and reported.
//
// # Goroutines
//
// Any number of goroutines may use a service or a store at once. Those that wait for vectors keep no thread of the system; calls of
// stores, and of services with [WithProgress], keep one each while they are in the library, where 1,024 of a process are at the same
// time, and the others wait for their turn without one.
//
// # Errors
//
// Failures match one of the package's Err variables with [errors.Is]. What the library reports is an [*Error]; its
// message names the thing, what was found and what was expected, and is meant for people.
package embeddings
