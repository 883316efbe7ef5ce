// Every test starts processes of its own and measures time: side by side they would only disturb one another.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
