using System.Diagnostics;
using System.Runtime.InteropServices;
using Llama.Grains.Settings;
using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Tokenization;
using Llama.Model.Weights;

namespace Llama.Tool;

/// <summary><c>llama make</c>: writes random weights in the shape of a released model.</summary>
internal static class MakeCommand
{
    private const int ChunkBlocks = 1 << 15;

    /// <summary>Runs the command.</summary>
    /// <param name="options">What to make.</param>
    /// <param name="display">Shows how far it is.</param>
    /// <param name="cancellationToken">Ends it; no file is left.</param>
    public static void Run(MakeOptions options, ProgressDisplay display, CancellationToken cancellationToken)
    {
        ModelConfig config = ModelShapes.ByName[options.Shape];
        ITokenizer? tokenizer = null;
        if (options.Tokenizer is { } path)
        {
            tokenizer = TokenizerLoader.Load(path) ?? throw new CheckpointException($"{path} has no tokenizer.");
            config = config with { VocabSize = tokenizer.VocabSize, EndTokens = tokenizer.EndTokens };
        }

        WeightMix type = WeightTypeAttribute.Parse(options.Type);
        var watch = Stopwatch.StartNew();
        long bytes = display.Show(progress =>
        {
            Write(config, tokenizer, options.Shape, type, options.Seed, options.Out, new TensorProgress(type, progress), cancellationToken);
            return new FileInfo(options.Out).Length;
        });
        display.Say($"{options.Out}: {bytes:N0} bytes in {watch.Elapsed.TotalSeconds:F1} s");
    }

    /// <summary>Writes a file.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="tokenizer">Its tokenizer; null for a made-up vocabulary.</param>
    /// <param name="name">What the model is called.</param>
    /// <param name="type">Type of the weights.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="output">The file.</param>
    /// <param name="progress">Told of each tensor, and of each part of a large one.</param>
    /// <param name="cancellationToken">Ends it; no file is left.</param>
    public static void Write(
        ModelConfig config,
        ITokenizer? tokenizer,
        string name,
        WeightMix type,
        int seed,
        string output,
        IProgress<GgufProgress> progress,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<GgufTensor> tensors = GgufLayout.Tensors(config, type);
        var vocabulary = tokenizer is null ? SyntheticVocabulary.Metadata(config.VocabSize) : GgufTokenizerWriter.Metadata(tokenizer, config);
        using var writer = new GgufWriter(output, [.. GgufLayout.Metadata(config, name, type), .. vocabulary], tensors);
        var random = new RandomWeights((ulong)seed);
        float[] ones = [.. Enumerable.Repeat(1f, Math.Max(config.Dim, config.HeadDim))];
        long total = tensors.Sum(tensor => tensor.Bytes), done = 0;
        for (int number = 0; number < tensors.Count; number++)
        {
            GgufTensor tensor = tensors[number];
            progress.Report(new(tensor, number + 1, tensors.Count, done, total));
            if (tensor.Shape is [var length])
            {
                writer.Write(GgufLayout.RopeFactors(config) is { } factors && number == 0
                    ? MemoryMarshal.AsBytes(factors.Values)
                    : MemoryMarshal.AsBytes(ones.AsSpan(0, length)));
                done += tensor.Bytes;
                continue;
            }

            byte[] chunk = new byte[ChunkBlocks * tensor.Type.BlockBytes()];
            for (long left = tensor.Bytes; left > 0; left -= chunk.Length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Span<byte> part = chunk.AsSpan(0, (int)Math.Min(left, chunk.Length));
                random.Fill(tensor.Type, part);
                writer.Write(part);
                done += part.Length;
                progress.Report(new(tensor, number + 1, tensors.Count, done, total));
            }
        }

        writer.Complete();
    }
}
