using Llama.Grains.Generation;
using Llama.Grains.Links;
using Llama.Grains.Scheduling;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Bench.Simulate;

/// <summary>What a number of clients got from a number of stages.</summary>
/// <param name="Stages">Stages.</param>
/// <param name="Clients">Clients.</param>
/// <param name="TokensPerSecond">Generated tokens per virtual second.</param>
/// <param name="Busy">The part of the time that a stage computed: 1 is the ideal, a pipeline that is never idle.</param>
/// <param name="FirstTokenSeconds">Time to first token, median and 99th of a hundred, seconds.</param>
/// <param name="TokenSeconds">Time per token after the first, median, seconds.</param>
/// <param name="Running">Sequences that ran, on average.</param>
/// <param name="Wasted">Part of the pool in taken blocks and not filled, on average while requests waited; null if none did.</param>
/// <param name="Free">Part of the pool that was free, on average while requests waited.</param>
/// <param name="Preemptions">Preempted sequences for each answer.</param>
internal sealed record LoadResult(
    int Stages, int Clients, double TokensPerSecond, double Busy, (double Median, double P99) FirstTokenSeconds, double TokenSeconds,
    double Running, double? Wasted, double? Free, double Preemptions);

/// <summary>Clients that ask again as soon as they have their answer, and a pipeline whose stages take the time that a model says.</summary>
internal sealed class LoadSimulation
{
    private const int VocabSize = 32_000;
    private const int StepsBetweenSamples = 16;

    private readonly SimulateOptions options;
    private readonly int stages;
    private readonly int clients;
    private readonly Random random;
    private readonly VirtualTime time = new();
    private readonly Scheduler scheduler;
    private readonly SimulatedPipeline pipeline;
    private readonly int blocks;
    private readonly List<double> firstTokenSeconds = [];
    private readonly List<double> tokenSeconds = [];
    private readonly Queue<LoadClient> asking = [];
    private long arrivals;
    private int answers;
    private bool measuring;
    private long generated;
    private long samples;
    private long pressedSamples;
    private double running;
    private double wasted;
    private double free;

    private LoadSimulation(SimulateOptions options, int stages, int clients)
    {
        this.options = options;
        this.stages = stages;
        this.clients = clients;
        random = new Random(options.Seed);
        scheduler = new Scheduler(SimulatedModel.Config(VocabSize), options.Limits, time);
        pipeline = new SimulatedPipeline(options.Times, stages, time);
        blocks = options.Blocks * stages;
        scheduler.Attach(stages, blocks, SimulatedPipeline.MaxStepTokens, 1, repeats: false);
    }

    /// <summary>Runs until enough answers were measured.</summary>
    public static LoadResult Run(SimulateOptions options, int stages, int clients) => new LoadSimulation(options, stages, clients).Run();

    private LoadResult Run()
    {
        for (int i = 0; i < clients; i++) asking.Enqueue(new LoadClient(this));
        long beganAt = 0;
        long busyBefore = 0;
        long preemptedBefore = 0;
        int measured = Math.Max(options.Requests, clients);
        while (!measuring || answers < measured)
        {
            while (asking.TryDequeue(out LoadClient? client)) Ask(client);
            while (scheduler.NextStep() is { } next) pipeline.Send(next);
            time.Now = pipeline.NextResultAt ?? throw new InvalidDataException("No step is in flight, though clients ask.");
            Step step = pipeline.Take();
            if (scheduler.Complete(Answer(step)) is { } fault) throw new InvalidDataException(fault);
            if (!measuring && answers >= measured / 2)
            {
                (measuring, answers, generated) = (true, 0, 0);
                (beganAt, busyBefore, preemptedBefore) = (time.Now, pipeline.Busy, scheduler.Preemptions);
            }

            if (measuring && step.Number % StepsBetweenSamples == 0) Sample();
        }

        double seconds = (time.Now - beganAt) / 1e9;
        return new LoadResult(
            stages, clients, generated / seconds, (pipeline.Busy - busyBefore) / 1e9 / seconds,
            (Percentile(firstTokenSeconds, 0.5), Percentile(firstTokenSeconds, 0.99)), Percentile(tokenSeconds, 0.5),
            running / samples, pressedSamples == 0 ? null : wasted / pressedSamples, pressedSamples == 0 ? null : free / pressedSamples,
            (double)(scheduler.Preemptions - preemptedBefore) / measured);
    }

    private static double Percentile(List<double> values, double part)
    {
        if (values.Count == 0) return double.NaN;
        values.Sort();
        return values[(int)Math.Min(values.Count - 1, values.Count * part)];
    }

    private void Ask(LoadClient client)
    {
        var request = new GenerationRequest
        {
            PromptTokens = [.. Enumerable.Range(0, Length(options.Prompt)).Select(_ => random.Next(VocabSize))],
            MaxTokens = Length(options.Generate),
        };
        client.Begin(time.Now);
        scheduler.Submit(new Sequence(request, ++arrivals, request.PromptTokens.Count + request.MaxTokens!.Value, client));
    }

    private int Length(int mean) => random.Next(mean / 2, mean + (mean / 2) + 1);

    private StepResult Answer(Step step)
    {
        int samples = 0;
        foreach (StepSequence sequence in step.Sequences) samples += sequence.Samples ? 1 : 0;
        var sampled = new SampledTokens();
        for (int i = 0; i < samples; i++) sampled.Add(new TokenLogprob(random.Next(VocabSize), 0), []);
        return new StepResult(step.Epoch, step.Number, sampled);
    }

    private void Sample()
    {
        samples++;
        running += scheduler.RunningCount;
        if (scheduler.WaitingCount == 0) return;
        pressedSamples++;
        long unfilled = scheduler.Running.Sum(sequence => ((long)sequence.Blocks.Count * BlockPool.BlockTokens) - sequence.Scheduled);
        wasted += (double)unfilled / (blocks * BlockPool.BlockTokens);
        free += (double)scheduler.FreeBlocks / blocks;
    }

    private sealed class LoadClient(LoadSimulation simulation) : ISequenceClient
    {
        private long askedAt;
        private long firstAt;
        private int tokens;

        public void Begin(long now) => (askedAt, tokens) = (now, 0);

        public void Next(GeneratedToken token)
        {
            simulation.generated++;
            if (tokens++ > 0) return;
            firstAt = simulation.time.Now;
            if (simulation.measuring) simulation.firstTokenSeconds.Add((firstAt - askedAt) / 1e9);
        }

        public void End(GenerationException? fault)
        {
            if (fault is not null) throw new InvalidDataException(fault.Message);
            simulation.answers++;
            if (simulation.measuring && tokens > 1)
                simulation.tokenSeconds.Add((simulation.time.Now - firstAt) / 1e9 / (tokens - 1));
            simulation.asking.Enqueue(this);
        }
    }
}
