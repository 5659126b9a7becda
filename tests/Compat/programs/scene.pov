#version 3.7;
global_settings { assumed_gamma 1 }
camera { location <0, 3, -9> look_at <0, 1, 0> }
light_source { <6, 9, -8> rgb 1 }
light_source { <-8, 4, -3> rgb <.3, .3, .5> }
plane { y, 0 pigment { checker rgb 1, rgb .2 } finish { reflection .2 } }
#declare N = 0;
#while (N < 40)
	sphere { <3 * sin(N), 1 + N / 20, 3 * cos(N * 1.3)>, .45
		pigment { bozo color_map { [0 rgb <1, .3, N / 40>] [1 rgb <.1, N / 40, .9>] } scale .2 }
		finish { phong .8 reflection .3 } }
	#declare N = N + 1;
#end
