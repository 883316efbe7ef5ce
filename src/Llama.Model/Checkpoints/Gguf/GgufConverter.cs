using System.Runtime.InteropServices;
using Llama.Model.Chat;
using Llama.Model.Tokenization;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>How far the writing of a GGUF file is.</summary>
/// <param name="Tensor">The tensor that it is at.</param>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Done">Bytes of weights that are written, of all tensors.</param>
/// <param name="Total">Bytes of weights that there are to write.</param>
public sealed record GgufProgress(GgufTensor Tensor, int Number, int Count, long Done, long Total);

/// <summary>Turns any checkpoint into a GGUF file, row by row.</summary>
public static unsafe class GgufConverter
{
    // So many bytes of rows are converted at once.
    private const int ChunkBytes = 8 << 20;

    /// <summary>Converts a checkpoint with its tokenizer and chat template.</summary>
    /// <param name="model">Its path.</param>
    /// <param name="type">One of <see cref="WeightMix.All"/>, for the matrices whose rows it divides; see <see cref="GgufLayout.TypeFor"/>.</param>
    /// <param name="output">The file to write.</param>
    /// <param name="progress">Told of each tensor, and of each part of a large one.</param>
    /// <param name="cancellationToken">Ends the conversion; no file is left.</param>
    /// <exception cref="CheckpointException">The checkpoint cannot be used.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Convert(
        string model, WeightMix type, string output, IProgress<GgufProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(progress);
        using FileCheckpoint source = Checkpoint.OpenStored(model, new CheckpointOptions());
        ModelConfig config = source.Config;
        IReadOnlyList<GgufTensor> tensors = GgufLayout.Tensors(config, source.Tensors(0, config.Layers), type);
        List<KeyValuePair<string, object>> metadata =
        [
            .. GgufLayout.Metadata(config, Checkpoint.NameOf(model), type),
            .. GgufTokenizerWriter.Metadata(TokenizerLoader.Load(model), config),
        ];
        if (ChatTemplateFiles.Find(model) is { } templates)
        {
            foreach ((string name, string text) in templates.Texts)
                metadata.Add(new(name == CheckpointTemplate.Default ? ChatTemplateFiles.GgufKey : $"{ChatTemplateFiles.GgufKey}.{name}", text));
        }

        using var writer = new GgufWriter(output, metadata, tensors);
        long total = tensors.Sum(tensor => tensor.Bytes), done = 0;
        int number = 0;
        if (GgufLayout.RopeFactors(config) is { } factors)
        {
            Begin();
            Put(MemoryMarshal.AsBytes(factors.Values));
        }

        foreach (ModelTensor tensor in source.Tensors(0, config.Layers))
        {
            Begin();
            if (tensor.Rows is { } rows)
            {
                Write(new RowRounding(source.OpenMatrix(tensor.Name, rows, tensor.Columns), type, config), rows, Put, cancellationToken);
                source.Release(tensor.Name);
            }
            else
            {
                Put(MemoryMarshal.AsBytes(RowRounding.ReadVector(source, tensor.Name, tensor.Columns).AsSpan()));
            }
        }

        writer.Complete();

        void Begin()
        {
            number++;
            Report();
        }

        void Put(ReadOnlySpan<byte> bytes)
        {
            writer.Write(bytes);
            done += bytes.Length;
            Report();
        }

        void Report() => progress.Report(new(tensors[number - 1], number, tensors.Count, done, total));
    }

    private static void Write(RowRounding rounding, int rows, Action<ReadOnlySpan<byte>> put, CancellationToken cancellationToken)
    {
        int rowBytes = (int)rounding.RowBytes;
        int chunkRows = Math.Clamp(ChunkBytes / rowBytes, 1, rows);
        byte[] chunk = new byte[chunkRows * rowBytes];
        for (int first = 0; first < rows; first += chunkRows)
        {
            int count = Math.Min(chunkRows, rows - first);
            fixed (byte* bytes = chunk) rounding.Write(first, count, bytes, Environment.ProcessorCount, cancellationToken);
            put(chunk.AsSpan(0, count * rowBytes));
        }
    }
}
