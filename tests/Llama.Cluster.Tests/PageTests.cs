using System.Globalization;
using System.Text.Json;
using Llama.Cluster.Tests.Browser;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>The page in a real browser.</summary>
[Collection(SharedAppHost.Name)]
public sealed class PageTests(SharedAppHost shared) : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public void Dispose() => TestContext.Current.TestOutputHelper?.WriteLine(shared.AppHost.Output);

    [Fact]
    public async Task Generate_PromptTyped_TextStreamsAndThePipelineIsSampled()
    {
        string? executable = Chromium.Find();
        Assert.SkipWhen(executable is null, "there is no Chromium on the PATH");
        JsonElement golden = JsonElement.Parse(await File.ReadAllTextAsync(
            Path.Combine(TestPaths.TinyStories, "golden.json"), TestContext.Current.CancellationToken))[1];
        string prompt = golden.GetProperty("prompt").GetString()!;
        string text = golden.GetProperty("text").GetString()!;
        using Chromium browser = await Chromium.StartAsync(executable!);
        using DevTools page = await browser.OpenAsync(shared.AppHost.Client.Http.BaseAddress!);

        await UntilAsync(page, "document.querySelectorAll('.stage.ready').length === 2");
        Assert.Equal("tinystories", await page.EvaluateAsync("document.getElementById('model').textContent"));
        Assert.Equal(
            "layers 0–2,layers 3–5", await page.EvaluateAsync("[...document.querySelectorAll('.stage .layers')].map(e => e.textContent)"));

        // Each look at the text while it grows is kept, so that streaming is seen without a race.
        await page.EvaluateAsync("""
            new MutationObserver(() => (window.seen ??= []).push(document.getElementById('text').textContent.length))
              .observe(document.getElementById('text'), { childList: true })
            """);
        await TypeAsync(page, "prompt", prompt);
        await TypeAsync(page, "temperature", "0");
        await TypeAsync(page, "max-tokens", "60");
        await ClickAsync(page, "generate");
        await UntilAsync(page, "document.getElementById('finish').textContent === 'the limit'");

        Assert.Equal($"{prompt} {text}", await page.EvaluateAsync("document.getElementById('output').textContent"));
        int looks = int.Parse(await page.EvaluateAsync("new Set(window.seen).size"), CultureInfo.InvariantCulture);
        Assert.InRange(looks, 5, 61);
        Assert.Equal("60", await page.EvaluateAsync("document.getElementById('count').textContent"));
        Assert.Equal("", await page.EvaluateAsync("document.getElementById('error').textContent"));
    }

    /// <summary>Orleans' dashboard on its path of the gateway: what the page asks for is there.</summary>
    [Fact]
    public async Task Orleans_OfTheCluster_ShowsItsSilosAndGrains()
    {
        string? executable = Chromium.Find();
        Assert.SkipWhen(executable is null, "there is no Chromium on the PATH");
        using Chromium browser = await Chromium.StartAsync(executable!);
        using DevTools page = await browser.OpenAsync(new Uri(shared.AppHost.Client.Http.BaseAddress!, "orleans/#/silos"));

        await UntilAsync(page, "['gateway-', 'silo-1', 'silo-2'].every(name => document.body?.innerText.includes(name))");
        await page.EvaluateAsync("location.hash = '#/grains'");
        await UntilAsync(page, "['GatewayGrain', 'LayerRangeGrain'].every(name => document.body.innerText.includes(name))");
    }

    private static async Task UntilAsync(DevTools page, string condition)
    {
        string body = "";
        await Wait.UntilAsync(
            condition,
            Deadline,
            async () =>
            {
                body = await page.EvaluateAsync("document.body?.innerText");
                return await page.EvaluateAsync(condition) == "true";
            },
            () => body);
    }

    /// <summary>Types over what a field holds, as a keyboard would.</summary>
    private static async Task TypeAsync(DevTools page, string id, string text)
    {
        await page.EvaluateAsync($"document.getElementById('{id}').select()");
        await page.CallAsync("Input.insertText", new { text });
    }

    /// <summary>Clicks into the middle of an element, as a mouse would.</summary>
    private static async Task ClickAsync(DevTools page, string id)
    {
        string box = await page.EvaluateAsync($"JSON.stringify(document.getElementById('{id}').getBoundingClientRect())");
        JsonElement sides = JsonElement.Parse(box);
        double x = sides.GetProperty("x").GetDouble() + (sides.GetProperty("width").GetDouble() / 2);
        double y = sides.GetProperty("y").GetDouble() + (sides.GetProperty("height").GetDouble() / 2);
        foreach (string type in (string[])["mousePressed", "mouseReleased"])
            await page.CallAsync("Input.dispatchMouseEvent", new { type, x, y, button = "left", clickCount = 1 });
    }
}
