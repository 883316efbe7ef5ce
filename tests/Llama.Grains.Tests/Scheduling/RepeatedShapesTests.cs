using Llama.Grains.Generation;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Tests.Gateway;

namespace Llama.Grains.Tests.Scheduling;

/// <summary>Where bits depend on the shapes of steps, what is computed again is computed in the same.</summary>
public sealed class RepeatedShapesTests
{
    private static readonly SchedulerLimits Limits = new() { StepTokens = 144 };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Attach_AfterALoss_RepeatsTheShapes(bool allIsLost)
    {
        // Parts of 144, 144 and 12 tokens, and one by one up to position 340.
        var cluster = new ToyCluster(2, 100, Limits, repeatsShapes: true);
        ToyClient client = cluster.Submit(ToyModel.Request(1, prompt: 300, generate: 60));
        while (client.Tokens.Count < 40) cluster.Step();
        int[] before = Shapes(cluster);
        Assert.Equal([(0, 144, 256), (144, 144, 256), (288, 12, 64)], cluster.Parts.Take(3));

        cluster.Parts.Clear();
        if (allIsLost)
        {
            cluster.Lose();
            cluster.Attach(2, 100);
        }
        else
        {
            cluster.Lose(new Random(1), 1);
            cluster.GoOn(new LayerSpan(1, 2));
        }

        cluster.Run();
        client.AssertComplete();
        int[] after = Shapes(cluster);
        Assert.Equal(before, after[..before.Length]);
        Assert.All(after[before.Length..], shape => Assert.Equal(64, shape));

        // The tokens that were decoded are not computed one by one.
        Assert.Contains(cluster.Parts, part => part.First is >= 288 and < 304 && part.Tokens > 16 && part.Shape == 64);
    }

    [Fact]
    public void Submit_PromptThatWasComputedInOtherShapes_GoesOnWithThose()
    {
        var cluster = new ToyCluster(1, 100, Limits, repeatsShapes: true);
        cluster.Submit(ToyModel.Request(1, prompt: 64, generate: 1));
        cluster.Run();
        GenerationRequest longer = ToyModel.Request(1, prompt: 64, generate: 30);
        ToyClient client = cluster.Submit(longer with { PromptTokens = [.. longer.PromptTokens, .. Enumerable.Range(1, 100)] });
        while (client.Tokens.Count < 5) cluster.Step();
        Assert.Equal(64, client.CachedTokens);
        Assert.Equal((64, 100, 128), cluster.Parts[1]);
        cluster.Parts.Clear();
        cluster.Lose();
        cluster.Attach(1, 100);
        cluster.Run();
        Assert.Equal([(0, 64, 64), (64, 100, 128)], cluster.Parts.Take(2));
        client.AssertComplete();
    }

    /// <summary>What is known again after a loss is known to those only who have its salt.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Attach_SaltedBlocksRebuilt_AreFoundWithTheSaltOnly(bool repeatsShapes)
    {
        var cluster = new ToyCluster(2, 100, repeatsShapes: repeatsShapes);
        ToyClient client = cluster.Submit(ToyModel.Request(1, prompt: 100, generate: 60) with { CacheSalt = "pepper" });
        for (int i = 0; i < 20; i++) cluster.Step();
        cluster.Lose(new Random(1), 1);
        cluster.GoOn(new LayerSpan(1, 2));
        cluster.Run();
        client.AssertComplete();
        int[] prompt = [.. client.Request.PromptTokens];
        Assert.Equal(0, cluster.Scheduler.CachedTokens(prompt, null));
        Assert.Equal(96, cluster.Scheduler.CachedTokens(prompt, "pepper"));
    }

    /// <summary>The shape of each position that was sent; the last one, where it was more than once.</summary>
    private static int[] Shapes(ToyCluster cluster)
    {
        int[] shapes = new int[cluster.Parts.Max(part => part.First + part.Tokens)];
        foreach ((int first, int tokens, int shape) in cluster.Parts) shapes.AsSpan(first, tokens).Fill(shape);
        return shapes;
    }
}
