from benchmarks.emoji import retrieval

retrieval.main()
