from benchmarks.vae import quality

quality.main()
