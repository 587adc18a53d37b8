package view

import (
	"context"
	"errors"
	"fmt"
	"io"

	tea "charm.land/bubbletea/v2"

	"github.com/shoalcast/shoal/peer"
)

// Options say where and how a session is shown.
type Options struct {
	Info  Info
	Style Style
	In    io.Reader // a terminal, for the keys; nil: there are none
	Out   io.Writer // a terminal
	Env   []string  // of the process: what the terminal is
	// Quit is called when the person asks for the end, with q or ctrl-C.
	Quit func()
}

// Screen shows a session on a terminal of its own until Stop, and leaves the terminal
// as it was. Its methods may be called from any goroutine, after Stop too.
type Screen struct {
	program *tea.Program
	done    chan error
}

// Start takes the terminal over.
func Start(o Options) *Screen {
	in := tea.WithInput(nil)
	if o.In != nil {
		in = tea.WithInput(o.In)
	}
	s := &Screen{done: make(chan error, 1), program: tea.NewProgram(
		&model{info: o.Info, style: o.Style, quit: o.Quit}, in, tea.WithOutput(o.Out), tea.WithEnvironment(o.Env),
		tea.WithoutSignalHandler(), tea.WithFPS(20), tea.WithContext(context.Background()),
	)}
	go func() {
		_, err := s.program.Run()
		s.done <- err
	}()
	return s
}

// Line shows the newest state of the session.
func (s *Screen) Line(l peer.Line) { s.program.Send(lineMsg(l)) }

// Players shows the address for players.
func (s *Screen) Players(playlist string) { s.program.Send(playersMsg(playlist)) }

// Notice shows what happened, in place of what was shown before.
func (s *Screen) Notice(text string) { s.program.Send(noticeMsg(text)) }

// Stop gives the terminal back. Call it once.
func (s *Screen) Stop() error {
	s.program.Quit()
	if err := <-s.done; err != nil && !errors.Is(err, tea.ErrInterrupted) {
		return fmt.Errorf("show the session: %w", err)
	}
	return nil
}

type (
	lineMsg    peer.Line
	playersMsg string
	noticeMsg  string
)

// model is the session as it is shown.
type model struct {
	info          Info
	style         Style
	quit          func()
	history       []peer.Line
	width, height int
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case lineMsg:
		m.history = Trim(append(m.history, peer.Line(msg)))
	case playersMsg:
		m.info.Players = string(msg)
	case noticeMsg:
		m.info.Notice = string(msg)
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "ctrl+c":
			m.quit()
			return m, tea.Quit
		}
	}
	return m, nil
}

// View implements tea.Model.
func (m *model) View() tea.View {
	v := tea.NewView(Render(m.history, m.info, m.width, m.height, m.style))
	v.AltScreen = true
	return v
}
