using Llama.Bench.Load;

namespace Llama.Bench.Tests.Load;

public class LoadPromptsTests
{
    [Fact]
    public void Tokens_SharedPrefix_IsEqualAndTheRestDiffers()
    {
        var prompts = new LoadPrompts(length: 40, shared: 16, seed: 3);
        int[] first = prompts.Tokens(0), second = prompts.Tokens(1);
        Assert.Equal((40, 40), (first.Length, second.Length));
        Assert.Equal(first[..16], second[..16]);
        Assert.NotEqual(first[16], second[16]);
        Assert.All(first.Concat(second), token => Assert.InRange(token, 10, 249));
        Assert.Equal(first, new LoadPrompts(length: 40, shared: 16, seed: 3).Tokens(0));
        Assert.NotEqual(first, new LoadPrompts(length: 40, shared: 16, seed: 4).Tokens(0));
    }

    [Fact]
    public void Text_Length_IsSoManyWords()
    {
        var prompts = new LoadPrompts(length: 30, shared: 10, seed: 3);
        string[] first = prompts.Text(0).Split(' '), second = prompts.Text(1).Split(' ');
        Assert.Equal(30, first.Length);
        Assert.Equal(first[..10], second[..10]);
        Assert.NotEqual(first, second);
    }
}
