using Llama.Model.Checkpoints;
using Llama.Model.Tests.Layers;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

/// <summary>Models where other programs keep them.</summary>
public sealed class CachePathsTests : IDisposable
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";
    private static readonly string Digest = new('a', 64);

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("models--org--Small-Llama", true)]
    [InlineData("models--org--Small-Llama", false)]
    [InlineData($"models--org--Small-Llama/snapshots/{Commit}", true)]
    public void Open_HuggingFacesCache_IsTheSnapshotOfItsLinks(string path, bool hasMain)
    {
        string repository = folder["models--org--Small-Llama"];
        string blobs = Path.Combine(repository, "blobs"), snapshot = Path.Combine(repository, "snapshots", Commit);
        Directory.CreateDirectory(snapshot);
        BiasedModel.WriteHuggingFace(blobs, BiasedModel.Tensors);
        foreach (string file in Directory.GetFiles(blobs))
            File.CreateSymbolicLink(Path.Combine(snapshot, Path.GetFileName(file)), Path.Combine("..", "..", "blobs", Path.GetFileName(file)));
        if (hasMain)
        {
            Directory.CreateDirectory(Path.Combine(repository, "refs"));
            File.WriteAllText(Path.Combine(repository, "refs", "main"), Commit);
            Directory.CreateDirectory(Path.Combine(repository, "snapshots", "older"));
        }

        AreTheModels(folder[path]);
        Assert.Equal("Small-Llama", Checkpoint.NameOf(folder[path]));
    }

    [Fact]
    public void Open_SeveralSnapshotsAndNoBranch_AsksForOne()
    {
        foreach (string snapshot in (string[])["one", "two"]) Directory.CreateDirectory(folder[Path.Combine("models--a--b", "snapshots", snapshot)]);
        Assert.Contains("found 2 snapshots", CheckpointReading.Refusal(folder["models--a--b"]));
    }

    [Theory]
    [InlineData("latest", "small")]
    [InlineData("8b", "small:8b")]
    public void Open_OllamasManifest_IsTheModelThatItNames(string tag, string name)
    {
        string manifest = Manifest(tag, $$"""
            {"layers": [{"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:0"},
                        {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:{{Digest}}"}]}
            """);
        Directory.CreateDirectory(folder["blobs"]);
        Assert.Contains("sha256-aaaa", Refusal(manifest));
        BiasedModel.WriteGguf(folder[Path.Combine("blobs", $"sha256-{Digest}")], BiasedModel.GgufTensors());
        AreTheModels(manifest);
        Assert.Equal(name, Checkpoint.NameOf(manifest));
    }

    [Theory]
    [InlineData("GGUF", "found no manifest of Ollama")]
    [InlineData("""{"layers": [{}]}""", "found no manifest of Ollama")]
    [InlineData("""{"layers": []}""", "found no layer application/vnd.ollama.image.model")]
    [InlineData("""{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../secret"}]}""", "found digest sha256:../../secret")]
    public void Open_ManifestOfNoModel_IsRefused(string text, string expected)
    {
        string manifest = Manifest("latest", text);
        Directory.CreateDirectory(folder["blobs"]);
        Assert.Contains(expected, Refusal(manifest));
    }

    private static string Refusal(string path) => CheckpointReading.Refusal(path);

    private static void AreTheModels(string path)
    {
        using var runner = new ForwardRunner(path, [0, BiasedModel.Config.Layers]);
        double[] expected = new ReferenceForward(BiasedModel.Config, BiasedModel.Tensors).Next(7);
        float[] found = runner.Logits([7], 1)[0];
        Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-3));
    }

    private string Manifest(string tag, string text)
    {
        string path = folder[Path.Combine("manifests", "registry.ollama.ai", "library", "small", tag)];
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }
}
