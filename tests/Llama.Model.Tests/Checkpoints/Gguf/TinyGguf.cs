using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Gguf;

/// <summary>Small GGUF files.</summary>
internal static class TinyGguf
{
    /// <summary>A model of one layer with random weights.</summary>
    public static ModelConfig Config { get; } = new()
    {
        Dim = 32,
        Layers = 1,
        Heads = 2,
        KvHeads = 1,
        HeadDim = 16,
        HiddenDim = 64,
        VocabSize = 40,
        ContextLength = 128,
        NormEps = 1e-5f,
        RopeTheta = 10_000,
        RotaryLayout = RotaryLayout.AdjacentPairs,
        Family = LlamaFamily.Llama2,
        EndTokens = [],
    };

    /// <summary>Writes a model with some metadata replaced (by null: left out).</summary>
    public static string Write(string path, ElementType type = ElementType.F32, params (string Key, object? Value)[] changes)
    {
        IReadOnlyList<GgufTensor> tensors = GgufLayout.Tensors(Config, type);
        WriteTensors(path, Metadata(type, changes), tensors, new Random(1));
        return path;
    }

    /// <summary>Writes the same model as several parts.</summary>
    /// <returns>The parts' paths.</returns>
    public static string[] WriteParts(TemporaryFolder folder, int count)
    {
        IReadOnlyList<GgufTensor> tensors = GgufLayout.Tensors(Config, ElementType.F32);
        string[] paths = [.. Enumerable.Range(1, count).Select(number => folder[$"tiny-{number:00000}-of-{count:00000}.gguf"])];
        var random = new Random(1);
        int each = (tensors.Count + count - 1) / count;
        for (int i = 0; i < count; i++)
        {
            List<KeyValuePair<string, object>> metadata = [new("split.no", i), new("split.count", count), new("split.tensors.count", tensors.Count)];
            if (i == 0) metadata.AddRange(Metadata(ElementType.F32, []));
            WriteTensors(paths[i], metadata, [.. tensors.Skip(i * each).Take(each)], random);
        }

        return paths;
    }

    /// <summary>A model of another checkpoint, converted.</summary>
    public static string Convert(TemporaryFolder folder, string model, ElementType type)
    {
        string path = folder[$"{type}.gguf"];
        GgufConverter.Convert(model, type, path, new Progress(), TestContext.Current.CancellationToken);
        return path;
    }

    private static List<KeyValuePair<string, object>> Metadata(ElementType type, (string Key, object? Value)[] changes)
    {
        List<KeyValuePair<string, object>> metadata = [.. GgufLayout.Metadata(Config, "tiny", type), new("tokenizer.ggml.model", "no_vocab")];
        foreach ((string key, object? value) in changes)
        {
            metadata.RemoveAll(pair => pair.Key == key);
            if (value is not null) metadata.Add(new(key, value));
        }

        return metadata;
    }

    private static void WriteTensors(
        string path, IReadOnlyList<KeyValuePair<string, object>> metadata, IReadOnlyList<GgufTensor> tensors, Random random)
    {
        using var writer = new GgufWriter(path, metadata, tensors);
        foreach (GgufTensor tensor in tensors)
        {
            byte[] bytes = new byte[tensor.Bytes];
            random.NextBytes(bytes);
            writer.Write(bytes);
        }

        writer.Complete();
    }

    private sealed class Progress : IProgress<GgufProgress>
    {
        public void Report(GgufProgress value) => Assert.InRange(value.Number, 1, value.Count);
    }
}
