using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Llama.Bench.Load;
using Llama.Grains.Certificates;
using Llama.Grains.Links;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Bench.Link;

/// <summary><c>Llama.Bench link</c>: one step at a time to the other end of a link, which sends it back.</summary>
internal static class LinkCommand
{
    private static readonly LinkIdentity Self = new()
    {
        Name = "bench",
        Model = new ModelIdentity { Fingerprint = "bench", ContextLength = 1 },
    };

    /// <summary>Measures, and prints the distribution.</summary>
    public static async Task RunAsync(LinkOptions options, TextWriter output, CancellationToken cancellationToken)
    {
        LinkIdentity self = Self with { Credentials = new ClusterCredentials { Certificate = CertificateFolder.Load(options.Tls) } };
        LinkListener listener = LinkListener.Start(
            "127.0.0.1", 0, self, (stream, _, ended) => AnswerAsync(stream, options.Bytes, ended), NullLogger.Instance);
        await using (listener)
        {
            var target = new LinkTarget(LinkPurpose.Steps);
            using Stream link = await Dialler.DialAsync($"{listener.EndPoint}", self, target, cancellationToken);
            (double[] seconds, double allocated) = await MeasureAsync(link, options, cancellationToken);
            Distribution times = Distribution.Of(seconds)!;
            await output.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"{options.Bytes} bytes there and back: p50 {times.P50 * 1e6:N1} µs, p90 {times.P90 * 1e6:N1} µs, p99 {times.P99 * 1e6:N1} µs,"
                + $" most {times.Max * 1e6:N0} µs; {allocated:N1} bytes allocated each time, on both sides"));
        }
    }

    private static async Task<(double[] Seconds, double Allocated)> MeasureAsync(
        Stream link, LinkOptions options, CancellationToken cancellationToken)
    {
        var end = new LinkEnd(link, options.Bytes);
        end.Step.AddSamplingSequence(0, [1], [0], new SamplingParameters(), 0.5, 0);
        double[] seconds = new double[options.Rounds];
        long allocated = 0;
        for (int round = -options.Rounds / 10; round < options.Rounds; round++)
        {
            if (round == 0) allocated = GC.GetTotalAllocatedBytes(precise: true);
            long start = Stopwatch.GetTimestamp();
            await end.SendAsync(cancellationToken);
            await end.ReceiveAsync(cancellationToken);
            if (round >= 0) seconds[round] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        return (seconds, (double)(GC.GetTotalAllocatedBytes(precise: true) - allocated) / options.Rounds);
    }

    private static async Task AnswerAsync(Stream link, int bytes, CancellationToken cancellationToken)
    {
        await Handshake.AcceptAsync(link, cancellationToken);
        var end = new LinkEnd(link, bytes);
        while (true)
        {
            await end.ReceiveAsync(cancellationToken);
            await end.SendAsync(cancellationToken);
        }
    }

    /// <summary>What a stage does with a link: it reads a step and its hidden states to where they belong, and sends them on.</summary>
    private sealed class LinkEnd(Stream link, int bytes)
    {
        private readonly FrameReader reader = new(link);
        private readonly FrameWriter writer = new();
        private readonly byte[] hiddenStates = new byte[bytes];

        public Step Step { get; } = new();

        public ValueTask SendAsync(CancellationToken cancellationToken) => writer.SendAsync(link, Step, hiddenStates, cancellationToken);

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
        public async ValueTask ReceiveAsync(CancellationToken cancellationToken)
        {
            (FrameKind kind, _) = await reader.ReadHeaderAsync(int.MaxValue, cancellationToken);
            Frames.Expect(kind, FrameKind.Step, []);
            int stepBytes = StepCodec.ReadLength((await reader.PeekAsync(StepCodec.HeaderBytes, cancellationToken)).Span, out _, out _);
            StepCodec.Read((await reader.ReadAsync(stepBytes, cancellationToken)).Span, Step, isLast: true);
            await reader.ReadAsync(hiddenStates, cancellationToken);
        }
    }
}
