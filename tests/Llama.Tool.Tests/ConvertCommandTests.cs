using Llama.Grains.Settings;
using Llama.Model.Checkpoints;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Tool.Tests;

public class ConvertCommandTests
{
    [Fact]
    public void Run_ShippedModel_WritesACheckpoint()
    {
        using var folder = new TemporaryFolder();
        string[] args = ["--model", TestPaths.TinyStories, "--type", "q8_0", "--out", folder["tiny.gguf"]];
        using var console = new TestConsole();
        ConvertCommand.Run(SettingsReader.Read<ConvertOptions>(args).Options!, console.Display, TestContext.Current.CancellationToken);
        using Checkpoint checkpoint = Checkpoint.Open(folder["tiny.gguf"], new CheckpointOptions());
        Assert.Equal(ElementType.Q8_0, checkpoint.WeightType);
        Assert.Contains("output_norm.weight F32", console.Output, StringComparison.Ordinal);
    }
}
