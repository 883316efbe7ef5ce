using System.Text.Json;
using Llama.Grains.Generation;
using Llama.Grains.Text;
using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Grains.Tests.Gateway;

/// <summary>A checkpoint with golden results: what it must generate by argmax.</summary>
internal sealed record TestModel(string Folder, IReadOnlyList<(int[] Prompt, int[] Greedy)> Golden) : IModelSource
{
    private readonly Lazy<ModelText> text = new(() => new ModelText(TokenizerLoader.Load(Folder, []), null));

    /// <summary>The model that the project ships: 6 layers.</summary>
    public static TestModel TinyStories { get; } = Read(TestPaths.TinyStories, Path.Combine(TestPaths.TinyStories, "golden.json"));

    /// <summary>A random model of 4 layers whose tensors lie in two files.</summary>
    public static TestModel Llama3 { get; } = Fixture("llama-3/hf");

    public ModelConfig Config { get; } = ConfigOf(Folder);

    public ModelShape Shape => new("test", Fingerprint, Config.ContextLength, Config.VocabSize, Config.Sampling);

    public ModelText Text => text.Value;

    public string Fingerprint => ModelFingerprint.Of(Config);

    /// <summary>What a device of this machine with one thread offers.</summary>
    public DeviceOffer Offer { get; } = OfferOf(Folder);

    public static TestModel Fixture(string name)
    {
        string folder = Path.Combine(TestPaths.Fixtures, name);
        return Read(folder, Path.Combine(folder, "..", "golden.json"));
    }

    /// <summary>One of the golden prompts, continued by argmax.</summary>
    public GenerationRequest Request(int prompt) => new()
    {
        PromptTokens = Golden[prompt].Prompt,
        MaxTokens = Golden[prompt].Greedy.Length,
        Sampling = new SamplingParameters { Temperature = 0 },
        IgnoreEndTokens = true,
    };

    public Checkpoint Open() => Checkpoint.Open(Folder, new CheckpointOptions());

    private static TestModel Read(string folder, string golden)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(golden));
        IEnumerable<JsonElement> results =
            json.RootElement.ValueKind == JsonValueKind.Array ? json.RootElement.EnumerateArray() : [json.RootElement];
        return new TestModel(
            folder,
            [.. results.Select(r => (r.GetProperty("tokens").Deserialize<int[]>()!, r.GetProperty("greedy").Deserialize<int[]>()!))]);
    }

    private static ModelConfig ConfigOf(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder, new CheckpointOptions());
        return checkpoint.Config;
    }

    private static DeviceOffer OfferOf(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder, new CheckpointOptions());
        return new CpuDevice(1).Offer(checkpoint, ElementType.F32);
    }
}
