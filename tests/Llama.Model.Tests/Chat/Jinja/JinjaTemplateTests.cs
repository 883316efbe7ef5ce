using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Llama.Model.Chat.Jinja;
using Llama.Tests;

namespace Llama.Model.Tests.Chat.Jinja;

public class JinjaTemplateTests
{
    private static readonly JsonElement Reference = JsonDocument.Parse(File.ReadAllBytes(
        Path.Combine(TestPaths.Root, "tests", "Llama.Model.Tests", "Chat", "Jinja", "jinja.json"))).RootElement;

    [Fact]
    public void Render_Constructs_GivesWhatJinja2Gives()
    {
        var faults = new StringBuilder();
        int count = 0;
        foreach (JsonElement item in Reference.GetProperty("cases").EnumerateArray())
        {
            string template = item.GetProperty("template").GetString()!;
            string? found = null, error = null;
            try
            {
                found = Render(template);
            }
            catch (JinjaException exception)
            {
                error = exception.Message;
            }

            string? expected = item.TryGetProperty("text", out JsonElement text) ? text.GetString() : null;
            if (found != expected) faults.AppendLine($"{template}\nexpected {expected ?? item.GetProperty("error").GetString()}\nfound    {found ?? error}");
            count++;
        }

        Assert.True(faults.Length == 0, faults.ToString());
        Assert.True(count > 40);
    }

    [Theory]
    [InlineData("{{ raise_exception('no ' + messages) }}\n", "line 1: no hi")]
    [InlineData("a\nb{{ messages.x.y }}", "line 2: 'x' is undefined")]
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "f is called too deep")]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "the template takes too many steps")]
    [InlineData("{{ range(1000000000) }}", "range is too long")]
    [InlineData("{{ 'x' * 100000000 }}", "a text becomes too long")]
    [InlineData("{% set ns = namespace(a='xxxxxxxx') %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}", "a text becomes too long")]
    [InlineData("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "the template writes too much")]
    [InlineData("{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}", "the template takes too many steps")]
    [InlineData("{{ 9 ** 99 }}", "overflow")]
    [InlineData("{{ strftime_now('%Q') }}", "found %Q, which is not supported")]
    public void Render_WhatCannotEndWell_IsAnErrorWithItsLine(string template, string expected)
    {
        var watch = Stopwatch.StartNew();
        var exception = Assert.Throws<JinjaException>(() => Render(template));
        Assert.Contains(expected, exception.Message, StringComparison.OrdinalIgnoreCase);
        Assert.StartsWith("line ", exception.Message, StringComparison.Ordinal);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"{watch.Elapsed}");
    }

    [Fact]
    public void Parse_DeepNesting_IsRefusedNotCrashed()
    {
        foreach (string deep in (string[])[new('(', 100_000), $"{{{{ {new string('(', 100_000)} }}}}", $"{{{{ {string.Join("+", Enumerable.Repeat("1", 100_000))} }}}}",
            $"{{{{ {new string('-', 100_000)}1 }}}}", string.Concat(Enumerable.Repeat("{% if a %}", 10_000)), $"{{{{ a{string.Concat(Enumerable.Repeat("[0]", 100_000))} }}}}",
            $"{{{{ a{string.Concat(Enumerable.Repeat("|list", 100_000))} }}}}", $"{{{{ {string.Concat(Enumerable.Repeat("not ", 100_000))}a }}}}"])
        {
            try
            {
                Render(deep);
            }
            catch (JinjaException)
            {
                // Refused is right, and so is an answer; the process must live.
            }
        }
    }

    [Fact]
    public void Render_MutatedTemplates_GiveTextOrJinjaException()
    {
        string[] sources = [.. Reference.GetProperty("cases").EnumerateArray().Select(item => item.GetProperty("template").GetString()!)];
        var random = new Random(11);
        int refused = 0;
        for (int round = 0; round < 20_000; round++)
        {
            var text = new StringBuilder(sources[random.Next(sources.Length)]);
            for (int i = random.Next(1, 4); i > 0 && text.Length > 0; i--)
            {
                int at = random.Next(text.Length);
                string other = sources[random.Next(sources.Length)];
                _ = random.Next(4) switch
                {
                    0 => text.Remove(at, random.Next(Math.Min(8, text.Length - at))),
                    1 => text.Insert(at, other.AsSpan(0, random.Next(other.Length))),
                    2 => text.Insert(at, "{}%#|()[].-+*'\"~<>=:, \n"[random.Next(22)]),
                    _ => text.Replace(text[at], (char)random.Next(32, 127), at, 1),
                };
            }

            try
            {
                Render(text.ToString());
            }
            catch (JinjaException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 1_000, 19_500);
    }

    [Theory]
    [InlineData("<a>{{ messages }}</a>", "<a>hi</a>", "...--....")]
    [InlineData("{{ 'x' + messages|upper + 'y' }}", "xHIy", ".--.")]
    [InlineData("{{ messages[::-1] }}{{ messages[1:] }}", "ihi", "---")]
    [InlineData("{{ ('<' + messages + '>').replace('h', 'QQ') }}", "<QQi>", "...-.")]
    [InlineData("{{ {'k': messages}|tojson }}", "{\"k\": \"hi\"}", "-----------")]
    [InlineData("{{ ['<', messages]|join('|') }}", "<|hi", "..--")]
    [InlineData("{% set x %}<{{ messages }}>{% endset %}{{ x|trim('<') }}", "hi>", "--.")]
    [InlineData("{% macro f(a) %}<{{ a }}{% endmacro %}{{ f(messages) }}{{ f(1) }}", "<hi<1", ".--..")]
    [InlineData("{{ 'a' if messages else 'b' }}{{ messages|length }}", "a2", "..")]
    [InlineData("{{ ('<' ~ messages).split('h')[0] }}{{ [messages] }}", "<['hi']", ".------")]
    public void Render_KeepsApartWhatTheRequestWrote(string template, string expected, string fromRequest)
    {
        JinjaText text = JinjaTemplate.Parse(template).Render([new("messages", JinjaText.OfRequest("hi"))], default);
        Assert.Equal(expected, text.Value);
        Assert.Equal(fromRequest, string.Concat((text.FromRequest ?? new bool[text.Length]).Select(one => one ? '-' : '.')));
    }

    [Theory]
    [InlineData("%d %b %Y", "26 Jul 2024")]
    [InlineData("%Y-%m-%d %H:%M:%S %A %a %B %y %j %I%p %%", "2024-07-26 09:05:03 Friday Fri July 24 208 09AM %")]
    [InlineData("%-d %-m", "26 7")]
    public void Render_StrftimeNow_WritesTheTimeItIsTold(string format, string expected) => Assert.Equal(
        expected, JinjaTemplate.Parse($"{{{{ strftime_now('{format}') }}}}").Render([], new DateTimeOffset(2024, 7, 26, 9, 5, 3, TimeSpan.Zero)).Value);

    private static string Render(string template)
    {
        List<KeyValuePair<string, object?>> variables = [new("messages", JinjaText.OfRequest("hi"))];
        foreach (JsonProperty variable in Reference.GetProperty("variables").EnumerateObject()) variables.Add(new(variable.Name, JinjaValues.OfRequest(variable.Value)));
        return JinjaTemplate.Parse(template).Render(variables, default).Value;
    }
}
