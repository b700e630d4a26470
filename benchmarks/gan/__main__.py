from benchmarks.gan import quality

quality.main()
